/* The schema for the page that shows it. The API is where the page is: behind a stage's path, or at a domain of its own. */
"use strict";

async function loadSchema() {
  const path = location.pathname;
  const base = location.origin + path.slice(0, path.lastIndexOf("/api/schema/"));
  const answer = await fetch(base + "/api/schema/");
  if (!answer.ok) throw new Error("The schema could not be had: " + answer.status);
  const schema = await answer.json();
  schema.servers = [{ url: base }];
  return schema;
}

function showFailure(error) {
  document.getElementById("page").textContent = String(error);
  throw error;
}
