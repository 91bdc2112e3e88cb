"""The pages and actions, a module for each part of the panel."""
