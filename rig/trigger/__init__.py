"""The trigger box: fires the cameras, counts what it sent, and stamps what it sees at its inputs."""
