/* Redoc: everything to read. */
"use strict";

loadSchema()
  .then((schema) => Redoc.init(schema, { hideDownloadButtons: true }, document.getElementById("page")))
  .catch(showFailure);
