// The page around GraphiQL: keeps the API key in this tab and sends it with every request. Nothing else is contacted.
(() => {
  "use strict";

  const STORED_KEY = "event-issuer.api-key";
  const EXAMPLE = `# Paste an API key above, then press the play button.
query EventTypes {
  eventTypes(first: 10) {
    edges {
      node {
        name
        description
      }
    }
  }
}
`;
  const field = document.getElementById("key");
  const said = document.getElementById("said");
  const root = ReactDOM.createRoot(document.getElementById("graphiql"));
  let shown = 0;

  async function fetcher(request, options) {
    const response = await fetch(location.pathname, {
      method: "POST",
      headers: {
        ...(options && options.headers),
        "Content-Type": "application/json",
        Accept: "application/graphql-response+json, application/json;q=0.9",
        "X-API-Key": field.value.trim(),
      },
      body: JSON.stringify(request),
    });
    return response.json();
  }

  function show() {
    const key = field.value.trim();
    said.textContent = key ? "" : "Without a key the schema stays hidden.";
    shown += 1; // a new instance asks for the schema again
    root.render(
      React.createElement(GraphiQL, {
        key: shown,
        fetcher,
        schema: key ? undefined : null, // null: do not ask
        defaultQuery: EXAMPLE,
        shouldPersistHeaders: false,
      }),
    );
  }

  document.getElementById("access").addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(STORED_KEY, field.value.trim());
    show();
  });
  field.value = sessionStorage.getItem(STORED_KEY) || "";
  show();
})();
