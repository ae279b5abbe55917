/** The text without the user name and the password of an address. */
export const withoutAddress = (text: string): string =>
  text.replaceAll(/\b([a-z][a-z\d+.-]*:\/\/)[^\s/@]+@/gi, "$1(hidden)@")
