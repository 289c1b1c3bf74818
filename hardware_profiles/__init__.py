"""The profiles that come with hypr-neuro, one YAML file a chip; `hypr_neuro.profiles` reads them."""
