"""The built-in rules, one file each, in folders by department. The folders are the registry."""
