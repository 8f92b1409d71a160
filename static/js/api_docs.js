// Swagger UI comes from the Python package; this starts it. The page's policy allows no inline script.
const place = document.querySelector("#swagger-ui");
window.SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  deepLinking: true,
  validatorUrl: null,
  filter: true,
  tryItOutEnabled: true,
  persistAuthorization: false,
  presets: [window.SwaggerUIBundle.presets.apis],
});
