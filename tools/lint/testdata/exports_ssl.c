// A binary that exports a TLS symbol, as a visible BoringSSL would.
__attribute__((visibility("default"))) int SSL_new(void) { return 1; }
int main(void) { return SSL_new() - 1; }
