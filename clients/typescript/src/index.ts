/** A client of the service of localsessions, for Node, browsers and webviews. */

export type { Address } from "./address.js";
export type { components, operations, paths } from "./api.js";
export {
  type Api,
  type ClientOptions,
  type Hit,
  type ListQuery,
  type Locate,
  type Message,
  type MessageRange,
  type MessagesQuery,
  type SessionDetail,
  type SessionLine,
  SessionsClient,
  type Versioned,
} from "./client.js";
export type { Change, FollowOptions, Told } from "./follow.js";
export { ProblemError, type ProblemDocument } from "./problem.js";
