/** The page is made of elements and text alone: nothing that comes from data is ever parsed as HTML. */

export type Child = Node | string | number | null | undefined | false
type Props = Readonly<Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>>

const SVG = 'http://www.w3.org/2000/svg'

const fill = <E extends Element>(element: E, props: Props, children: readonly Child[]): E => {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') element.addEventListener(name, value)
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : String(value))
  }
  element.append(
    ...children.flatMap((child) =>
      child === null || child === undefined || child === false ? [] : [typeof child === 'number' ? String(child) : child],
    ),
  )
  return element
}

/** An element; a function among the props listens to the event of that name. */
export const h = <K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] =>
  fill(document.createElement(tag), props, children)

export const svg = (tag: string, props: Props = {}, ...children: Child[]): SVGElement =>
  fill(document.createElementNS(SVG, tag), props, children)

export const button = (label: string, act: () => void, props: Props = {}): HTMLButtonElement =>
  h('button', { type: 'button', ...props, click: act }, label)

/** Puts `children` in the place of what is in `target`; what had the focus keeps it, by its `data-key`. */
export const show = (target: Element, ...children: Child[]): void => {
  const key = target.contains(document.activeElement) ? document.activeElement?.getAttribute('data-key') : null
  const open = new Set([...target.querySelectorAll('details[open][data-key]')].map((d) => d.getAttribute('data-key')))
  target.replaceChildren(
    ...children.flatMap((child) =>
      child === null || child === undefined || child === false ? [] : [typeof child === 'number' ? String(child) : child],
    ),
  )
  for (const details of target.querySelectorAll('details[data-key]'))
    if (open.has(details.getAttribute('data-key'))) details.setAttribute('open', '')
  if (key !== null && key !== undefined) target.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`)?.focus()
}
