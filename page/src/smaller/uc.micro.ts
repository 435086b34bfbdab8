/** Classes of characters, in place of the package `uc.micro`: the browser's own tables. */

export const P = /\p{P}/u;
export const S = /\p{S}/u;
export const Z = /\p{Z}/u;
export const Cc = /\p{Cc}/u;
