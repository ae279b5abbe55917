/**
 * A Chromium for tests of pages. On Linux on x64 it comes from the registry with its libraries and a font, so it needs no
 * package of the system. Elsewhere it is the installed Chrome.
 */
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { type Browser, type BrowserContext, chromium, type LaunchOptions } from "playwright-core"

export type { BrowserContext, BrowserContextOptions, Page } from "playwright-core"

export interface TestBrowser extends AsyncDisposable {
  readonly browser: Browser
}

export interface TestBrowserOptions {
  /** Of this machine: another program can use the browser there. */
  readonly port?: number
}

/** Kept between runs, because the unpacking takes seconds. */
const cache = fileURLToPath(new URL("../../../node_modules/.cache/opencode-worker", import.meta.url))

/** The folder of the unpacked browser. */
const unpacked = async (): Promise<string> => {
  const manifest = fileURLToPath(new URL("../package.json", import.meta.resolve("@sparticuz/chromium")))
  const { version }: { readonly version: string } = JSON.parse(await readFile(manifest, "utf8"))
  const folder = join(cache, `chromium-${version}`)
  if (existsSync(folder)) return folder
  await mkdir(cache, { recursive: true })
  const target = await mkdtemp(join(cache, "unpacking-"))
  try {
    // The package unpacks to the temporary folder, and its libraries only in a Lambda. A process of its own has that environment.
    const program = 'import chromium from "@sparticuz/chromium"; await chromium.executablePath()'
    await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program], {
      cwd: import.meta.dirname,
      env: { AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x", TMPDIR: target }
    })
    await rename(target, folder)
  } catch (cause) {
    // Another process was faster.
    if (!existsSync(folder)) throw cause
  } finally {
    await rm(target, { force: true, recursive: true })
  }
  return folder
}

/** `home`: for everything that the browser writes, in addition to its profile. */
const bundled = async (home: string): Promise<LaunchOptions> => {
  const folder = await unpacked()
  const fonts = join(home, "fonts.conf")
  const folders = [join(folder, "fonts"), "/usr/share/fonts"].map((each) => `<dir>${each}</dir>`).join("")
  // The package has no font for code; many systems have this one.
  const code = "<alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>"
  await writeFile(fonts, `<fontconfig>${folders}${code}<cachedir>${join(home, "fonts")}</cachedir></fontconfig>`)
  return {
    executablePath: join(folder, "chromium"),
    env: { FONTCONFIG_FILE: fonts, HOME: home, LD_LIBRARY_PATH: join(folder, "al2023/lib"), TMPDIR: home }
  }
}

/**
 * Starts a browser with an empty profile. Disposal ends its processes and removes its files; so does the exit of this
 * process.
 */
export const launchBrowser = async ({ port }: TestBrowserOptions = {}): Promise<TestBrowser> => {
  const home = await mkdtemp(join(tmpdir(), "browser-"))
  const removeHome = () => rm(home, { force: true, recursive: true, maxRetries: 20 })
  try {
    const isBundled = process.platform === "linux" && process.arch === "x64"
    const browser = await chromium.launch({
      artifactsDir: home,
      args: ["--disable-gpu", ...(port === undefined ? [] : [`--remote-debugging-port=${port}`])],
      ...(isBundled ? await bundled(home) : { channel: "chrome" })
    })
    return {
      browser,
      [Symbol.asyncDispose]: async () => {
        await browser.close()
        await removeHome()
      }
    }
  } catch (cause) {
    await removeHome()
    throw cause
  }
}

/** The profile in which another program opens its pages, of a browser with a port. */
export const sharedProfile = async (port: number): Promise<BrowserContext> => {
  const browser = await chromium.connectOverCDP(`http://127.0.0.1:${port}`)
  const [context] = browser.contexts()
  if (context === undefined) throw new Error("The browser has no profile")
  return context
}
