import { Redacted } from "effect"

const secretName = /KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL|AUTH/i

/** A line of the server's output without our password and without the values of variables that are named like secrets. */
export const redact = (
  line: string,
  password: Redacted.Redacted,
  environment: Readonly<Record<string, string>>
): string => {
  const secrets = Object.entries(environment)
    .filter(([name, value]) => secretName.test(name) && value.length >= 4)
    .map(([, value]) => value)
  return [Redacted.value(password), ...secrets].reduce((text, secret) => text.replaceAll(secret, "<redacted>"), line)
}
