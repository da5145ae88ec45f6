"""The promises, how each is kept, and a proof that anybody can run."""
