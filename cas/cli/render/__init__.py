"""What commands found, as text for people and as JSON for programs. Pure: nothing here prints or reads."""
