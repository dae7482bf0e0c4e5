// What a page of another origin can try. Served by it, run in the browser; it tells what it has seen in its title.
/* global document, location */
const { port, token } = Object.fromEntries(new URLSearchParams(location.search))
const base = `http://127.0.0.1:${port}`
const json = { 'Content-Type': 'application/json' }
const bearer = { Authorization: `Bearer ${token}` }
const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'RollbackMigration', params: {} })
const attempts = [
  { method: 'POST', body, mode: 'no-cors', headers: { 'Content-Type': 'text/plain' } },
  { method: 'POST', body, headers: json },
  // Even with the token.
  { method: 'POST', body, headers: { ...json, ...bearer } },
  { method: 'GET', headers: bearer },
]
const pause = () =>
  new Promise((resolve) => {
    setTimeout(resolve, 500)
  })

const read = []
for (const path of ['/rpc', '/api/RollbackMigration', '/events', '/'])
  for (const attempt of attempts)
    try {
      const response = await fetch(base + path, attempt)
      // An opaque answer can't be looked at.
      if (response.type !== 'opaque') read.push(await response.text())
    } catch {
      // Refused, as it should be.
    }

const frame = document.createElement('iframe')
frame.src = `${base}/#token=${token}`
document.body.append(frame)
await pause()
try {
  if (frame.contentDocument?.body.textContent) read.push(frame.contentDocument.body.textContent)
} catch {
  // Another origin.
}

const form = Object.assign(document.createElement('form'), {
  action: `${base}/rpc`,
  method: 'post',
  enctype: 'text/plain',
  target: 'elsewhere',
})
form.append(Object.assign(document.createElement('input'), { name: `${body.slice(0, -2)}"x":"`, value: '"}}' }))
document.body.append(form)
form.submit()
await pause()
document.title = `done ${JSON.stringify(read)}`
