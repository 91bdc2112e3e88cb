"""Templates of notifications: the files in chalicelib/notification_templates, and how they are filled in.

See docs/templates.md. Only `rendering` and `checking` load Jinja, and only who renders loads those.
"""
