"""Send what may be sent, and keep the receipts."""
