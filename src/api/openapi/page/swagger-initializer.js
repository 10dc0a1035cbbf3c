"use strict";

// In the document's own order. The validator would send the document's address to a service on the network.
window.onload = () => {
  window.ui = SwaggerUIBundle({
    "url": "../openapi.json",
    "dom_id": "#swagger-ui",
    "validatorUrl": "none",
    "deepLinking": true,
    "docExpansion": "list",
    "defaultModelsExpandDepth": 0,
    "displayRequestDuration": true,
  });
};
