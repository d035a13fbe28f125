"""An asset written by hand that goes to S3 by itself."""
