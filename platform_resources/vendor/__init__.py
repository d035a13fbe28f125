"""Private and unstable calls of vendors, one module each: an upgrade that breaks one fails here, in its test."""
