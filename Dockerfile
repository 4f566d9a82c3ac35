# One image for both roles: `router` (default) and `node`. Settings come by BELLHOP_… variables; see README.md.

FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN node scripts/run.mjs build

FROM node:22-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund

FROM node:22-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/scripts/run.mjs ./scripts/run.mjs
COPY --from=build /app/scripts/bootstrap ./scripts/bootstrap
COPY --from=build /app/package.json /app/LICENSE ./
USER node
EXPOSE 8080
# SIGTERM drains.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["node", "scripts/bootstrap/healthcheck.mjs"]
# The flags of scripts/node-flags.ts, where their reasons are: docs/decisions.md, 17.
ENTRYPOINT ["node", "--max-semi-space-size=4", "--heap-growing-percent=20", "scripts/run.mjs"]
CMD ["router"]
