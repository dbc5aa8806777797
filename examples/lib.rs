//! The programs lie beside this file.
