"""Binary forms of schemas, keys and rows."""
