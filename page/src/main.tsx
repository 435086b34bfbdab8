/** Starts the page. */

import { render } from "preact";

import { findToken, forgetToken } from "./access";
import { App, Closed } from "./app";
import { listenToKeys } from "./keys/keys";
import { keepList } from "./list/sessions";
import { followChanges } from "./live";
import { followAddress } from "./place";
import { connect } from "./service";
import { keepTheme } from "./theme";
import "./style/page.css";
import "./style/reading.css";

const root = document.getElementById("page")!;

async function start(): Promise<void> {
  keepTheme();
  const token = await findToken().catch(() => undefined); // nobody answers
  if (token === undefined) return render(<Closed />, root);
  connect(token);
  followAddress();
  keepList();
  listenToKeys();
  render(<App />, root);
  await followChanges(() => {
    forgetToken(); // the service was started anew
    render(<Closed />, root);
  });
}

void start();
