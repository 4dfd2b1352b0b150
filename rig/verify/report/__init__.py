"""What people look at after a run was judged: one figure beside it, and a page with everything that was found."""
