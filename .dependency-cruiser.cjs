// The layers of design.md, section 6. test/architecture/layers.test.ts plants a violation of every rule here.
const npm = (...names) => `(^|/)node_modules/(@types/)?(${names.join('|')})/`
const builtin = (...names) => `^(node:)?(${names.join('|')})$`

/** `from` may import what `allowed` names, nothing else. */
const only = (name, from, allowed, comment, more = {}) => ({
  name,
  severity: 'error',
  comment,
  from: { path: from },
  to: { pathNot: allowed, couldNotResolve: false, ...more },
})
const never = (name, from, to, comment) => ({ name, severity: 'error', comment, from, to })

// What the engine and the command line may use of Node; files are storage's, sockets the server's.
const PURE_BUILTINS = builtin(
  'async_hooks',
  'buffer',
  'crypto',
  'events',
  'module',
  'os',
  'path',
  'perf_hooks',
  'process',
  'stream',
  'stream/promises',
  'string_decoder',
  'timers',
  'timers/promises',
  'url',
  'util',
  'vm', // its watchdog ends what never ends
  'worker_threads',
  'zlib',
)

module.exports = {
  forbidden: [
    never('no-circular', {}, { circular: true }, 'No cycles, type imports included.'),
    never(
      'not-unresolvable',
      // The example names this package by its own name, as an application does: Node resolves that, dependency-cruiser does not.
      { pathNot: '^test/example-settings/' },
      { couldNotResolve: true },
      'An import must lead to a file or an installed package.',
    ),
    never(
      'no-dev-packages',
      { path: '^(src|migrations)/' },
      { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
      'What ships imports only `dependencies` of package.json.',
    ),
    only(
      'core-is-pure',
      '^src/core/',
      ['^src/core/', npm('zod', 'semver', 'uuid', '@msgpack/msgpack'), builtin('crypto', 'zlib')],
      'core: no I/O, clock or randomness; only zod, semver, uuid, MessagePack, the hashes of node:crypto and node:zlib.',
    ),
    only(
      'storage-imports',
      '^src/storage/',
      ['^src/(core|storage)/', npm('isomorphic-git')],
      'storage imports core, isomorphic-git and any built-in of Node.',
      { dependencyTypesNot: ['core'] },
    ),
    only(
      'engine-imports',
      '^src/engine/',
      ['^src/(core|storage|engine)/', npm('nanoid', 'chokidar', 'diff'), PURE_BUILTINS],
      'engine imports storage, core, nanoid, chokidar, diff and built-ins that touch no file and no socket.',
    ),
    only(
      'cli-imports',
      '^src/cli/',
      [
        '^src/cli/',
        '^src/(index|light)\\.ts$',
        '^src/server/index\\.ts$',
        npm('diff'),
        PURE_BUILTINS,
        builtin('readline', 'readline/promises', 'tty'),
      ],
      'cli parses, calls and prints: everything else comes from src/index.ts, or src/light.ts on the start-up path.',
    ),
    only(
      'server-imports',
      '^src/server/(?!page/)',
      ['^src/server/(?!page/)', '^src/index\\.ts$', npm('zod'), PURE_BUILTINS, builtin('http', 'net')],
      'server serves src/index.ts.',
    ),
    only('page-imports', '^src/server/page/', ['^src/server/page/'], 'The page runs in a browser: it has the server to ask, nothing else.'),
    never(
      'barrels-stay-below',
      { path: '^src/(index|light|open)\\.ts$' },
      { path: '^src/', pathNot: ['^src/(core|storage|engine)/', '^src/(index|light|open)\\.ts$'] },
      'The public API does not know its front ends.',
    ),
    never(
      'internal-is-for-tests',
      { path: '^(src|migrations)/' },
      { path: '^src/internal\\.ts$' },
      'src/internal.ts is the barrel of the tests.',
    ),
    only(
      'migrations-imports',
      '^migrations/',
      ['^migrations/', '^src/index\\.ts$', npm('zod')],
      'A migration uses the public API, as anyone’s would.',
    ),
    never(
      'src-without-migrations',
      { path: '^src/', pathNot: '^src/single\\.ts$' },
      { path: '^migrations/' },
      'Chains are loaded by module path, never imported; but where everything is one file.',
    ),
    never('no-test-in-product', { path: '^(src|migrations)/' }, { path: '^test/' }, 'What ships does not import tests.'),
    never(
      'fs-only-in-storage',
      { path: '^(src|migrations)/', pathNot: '^src/storage/' },
      { path: builtin('fs', 'fs/promises') },
      'Every write is durable because one layer owns all writes.',
    ),
    never(
      'git-only-in-storage',
      { path: '^(src|migrations)/', pathNot: '^src/storage/' },
      { path: npm('isomorphic-git') },
      'isomorphic-git writes in place without fsync; it sees only an fs of ours.',
    ),
  ],
  options: {
    doNotFollow: { path: ['node_modules', '^dist/'] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types', 'default'] },
  },
}
