/** The appearance, the devices, standing approvals, and where notifications are sent. */
import { useState } from "react"
import { useMay } from "../app/Services.ts"
import { chooseContrast, chooseTheme, hasHighContrast, theme } from "../app/theme.ts"
import { href } from "../app/router.ts"
import { t } from "../text/messages.ts"
import { Head, Segmented } from "../ui/parts.tsx"
import { Approvals } from "./settings/Approvals.tsx"
import { Devices } from "./settings/Devices.tsx"
import { Notifications } from "./settings/Notifications.tsx"
import { Push } from "./settings/Push.tsx"
import { SignOut } from "./settings/SignOut.tsx"

export default function SettingsScreen() {
  const mayOperate = useMay("operate")
  const [chosen, setChosen] = useState(theme)
  const [isHigh, setHigh] = useState(hasHighContrast)
  return (
    <section className="pane" aria-label={t("nav.settings")}>
      <Head title={t("nav.settings")}>
        <a className="button small narrow-only" href={href({ name: "usage" })}>
          {t("nav.usage")}
        </a>
      </Head>
      <div className="pane-body narrow">
        <h2 className="section-title">{t("settings.theme")}</h2>
        <div className="card">
          <Segmented
            label={t("settings.theme")}
            name="theme"
            value={chosen}
            onChange={(value) => {
              chooseTheme(value)
              setChosen(value)
            }}
            options={[
              { value: "system", label: t("settings.system") },
              { value: "light", label: t("settings.light") },
              { value: "dark", label: t("settings.dark") }
            ]}
          />
          <label className="check">
            <input
              type="checkbox"
              checked={isHigh}
              onChange={({ target }) => {
                chooseContrast(target.checked)
                setHigh(target.checked)
              }}
            />
            {t("settings.contrast")}
          </label>
        </div>
        <Devices />
        <Approvals />
        <Push />
        {mayOperate && <Notifications />}
        <SignOut />
      </div>
    </section>
  )
}
