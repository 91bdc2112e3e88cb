/* Redoc: everything to read. */
"use strict";

const OPTIONS = { hideDownloadButtons: true, hideSchemaPattern: true };

loadSchema()
  .then((schema) => Redoc.init(schema, OPTIONS, document.getElementById("page")))
  .catch(showFailure);
