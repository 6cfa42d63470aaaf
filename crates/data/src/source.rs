//! Files in the form that they come in.
