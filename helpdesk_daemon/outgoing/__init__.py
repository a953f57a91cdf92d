"""What we send: every outgoing mail is composed here, as bytes, before anything is sent. Pure."""
