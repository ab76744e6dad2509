"""One file a plugin, each exporting `ADMISSION`. Their order is `apiserver.admission.ORDER`."""
