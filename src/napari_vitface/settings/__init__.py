"""What can be chosen, declared once; options, forms, captions and checks come from it."""
