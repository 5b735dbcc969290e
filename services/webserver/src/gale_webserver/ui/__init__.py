"""Private routes of the page: shaped for what it shows, free to change with it."""
