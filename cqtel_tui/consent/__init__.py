"""Whether anything may be recorded or sent, and by whose choice: any opt-out wins."""
