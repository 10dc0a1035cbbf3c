// What a guide to API keys in Node has: keys live in a Set, and a request is let through if its key is in there.
'use strict';

const { randomBytes } = require('node:crypto');
const express = require('express');
const jwt = require('jsonwebtoken');

const { JWT_SECRET, PORT } = process.env;
if (!JWT_SECRET || !PORT) {
  console.error('JWT_SECRET and PORT must be set');
  process.exit(1);
}

const keys = new Set();
const app = express();

function requireToken(request, response, next) {
  const [, token] = (request.get('authorization') ?? '').split(' ');
  if (!token) return response.status(403).json({ message: 'No token provided' });
  try {
    jwt.verify(token, JWT_SECRET, { algorithms: ['HS256'] });
  } catch {
    return response.status(401).json({ message: 'Invalid token' });
  }
  next();
}

function requireApiKey(request, response, next) {
  const key = request.get('x-api-key');
  if (!key) return response.status(403).json({ message: 'No API key provided' });
  if (!keys.has(key)) return response.status(401).json({ message: 'Invalid API key' });
  next();
}

app.post('/api/create-api-key', requireToken, (_request, response) => {
  const apiKey = randomBytes(32).toString('hex');
  keys.add(apiKey);
  response.status(201).json({ apiKey });
});

app.get('/api/protected-resource', requireApiKey, (_request, response) => {
  response.json({ message: 'Access granted to protected resource' });
});

app.listen(PORT, '127.0.0.1');
