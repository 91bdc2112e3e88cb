/* Swagger UI: a request can be tried out. */
"use strict";

loadSchema()
  .then((schema) =>
    SwaggerUIBundle({
      spec: schema,
      domNode: document.getElementById("page"),
      deepLinking: true,
      displayRequestDuration: true,
      filter: true,
      validatorUrl: null, // it would send the schema to somebody else
    }),
  )
  .catch(showFailure);
