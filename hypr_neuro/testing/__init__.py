"""What tests share: random networks and populations, comparisons whose failures arrive ready to debug."""
