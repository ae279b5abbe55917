/** `provider/model/with/slashes`: the provider ends at the first slash. */
export const splitModel = (id: string): { readonly providerID: string; readonly modelID: string } => {
  const slash = id.indexOf("/")
  return slash === -1
    ? { providerID: id, modelID: "" }
    : { providerID: id.slice(0, slash), modelID: id.slice(slash + 1) }
}
