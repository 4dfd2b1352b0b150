"""The participant's screen: shows one step after another and tells what was on it at every flip."""
