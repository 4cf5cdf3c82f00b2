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
  const key = sessionStorage.getItem(STORED_KEY) || "";

  async function fetcher(request, options) {
    const response = await fetch(location.pathname, {
      method: "POST",
      headers: {
        ...(options && options.headers),
        "Content-Type": "application/json",
        Accept: "application/graphql-response+json, application/json;q=0.9",
        "X-API-Key": key,
      },
      body: JSON.stringify(request),
    });
    return response.json();
  }

  document.getElementById("access").addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(STORED_KEY, field.value.trim());
    location.reload(); // GraphiQL remembers what was typed, and asks for the schema again
  });
  field.value = key;
  document.getElementById("said").textContent = key ? "" : "Without a key the schema stays hidden.";
  ReactDOM.createRoot(document.getElementById("graphiql")).render(
    React.createElement(GraphiQL, {
      fetcher,
      schema: key ? undefined : null, // null: do not ask for it
      defaultQuery: EXAMPLE,
      shouldPersistHeaders: false,
    }),
  );
})();
