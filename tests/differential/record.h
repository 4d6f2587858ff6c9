// How the readers of this folder say what they have read. Plain C, as each is
// a program of its own with its own SIP library.
//
// In: messages, each after its length as four octets, big-endian. Out: for each
// message lines "@key hex-of-value", of lists one line an element, then
// "@."; what else stands there is the libraries' own. A message that is refused
// has the one line "@refused hex-of-reason".
#ifndef SALLYPORT_TESTS_DIFFERENTIAL_RECORD_H_
#define SALLYPORT_TESTS_DIFFERENTIAL_RECORD_H_

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void WriteValue(const char* key, const char* value, size_t size) {
  printf("\n@%s ", key);
  for (size_t i = 0; i < size; ++i) printf("%02x", (unsigned char)value[i]);
}

static inline void WriteText(const char* key, const char* text) {
  WriteValue(key, text == NULL ? "" : text, text == NULL ? 0 : strlen(text));
}

static inline void WriteNumber(const char* key, unsigned long number) {
  char text[32];
  snprintf(text, sizeof(text), "%lu", number);
  WriteText(key, text);
}

// "scheme|user|host|port"; all may be null.
static inline void WriteUri(const char* key, const char* scheme,
                            const char* user, const char* host,
                            const char* port) {
  const char* parts[4] = {scheme, user, host, port};
  size_t size = 4;
  for (int i = 0; i < 4; ++i) size += parts[i] == NULL ? 0 : strlen(parts[i]);
  char* text = (char*)malloc(size);
  text[0] = 0;
  for (int i = 0; i < 4; ++i) {
    if (i > 0) strcat(text, "|");
    if (parts[i] != NULL) strcat(text, parts[i]);
  }
  WriteText(key, text);
  free(text);
}

static inline void EndRecord(void) {
  puts("\n@.");
  fflush(stdout);
}

// The next message, with a NUL after it; NULL at the end. The caller frees it.
static inline char* NextMessage(size_t* size) {
  unsigned char head[4];
  if (fread(head, 1, 4, stdin) != 4) return NULL;
  *size = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 |
          head[3];
  char* text = (char*)malloc(*size + 1);
  if (fread(text, 1, *size, stdin) != *size) {
    free(text);
    return NULL;
  }
  text[*size] = 0;
  return text;
}

#endif  // SALLYPORT_TESTS_DIFFERENTIAL_RECORD_H_
