// OpenSSL, and functions for what it defines as macros, which Swift cannot import, or wants as a
// callback.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static const uint64_t shim_SSL_OP_NO_COMPRESSION = SSL_OP_NO_COMPRESSION;
static const uint64_t shim_SSL_OP_NO_RENEGOTIATION = SSL_OP_NO_RENEGOTIATION;
static const uint64_t shim_SSL_OP_CIPHER_SERVER_PREFERENCE = SSL_OP_CIPHER_SERVER_PREFERENCE;
static const uint64_t shim_SSL_OP_PRIORITIZE_CHACHA = SSL_OP_PRIORITIZE_CHACHA;

static inline int shim_SSL_CTX_set_min_proto_version(SSL_CTX *context, int version) {
  return (int)SSL_CTX_set_min_proto_version(context, version);
}

static inline int shim_SSL_CTX_set1_groups_list(SSL_CTX *context, const char *groups) {
  return (int)SSL_CTX_set1_groups_list(context, groups);
}

static inline void shim_SSL_CTX_set_mode(SSL_CTX *context, long mode) {
  SSL_CTX_set_mode(context, mode);
}

static inline void shim_SSL_CTX_set_session_cache_mode(SSL_CTX *context, long mode) {
  SSL_CTX_set_session_cache_mode(context, mode);
}

static inline int shim_SSL_set_tlsext_host_name(SSL *session, const char *name) {
  return (int)SSL_set_tlsext_host_name(session, name);
}

static inline int shim_SSL_CTX_add1_chain_cert(SSL_CTX *context, X509 *certificate) {
  return (int)SSL_CTX_add1_chain_cert(context, certificate);
}

// Picks HTTP/1.1 or 1.0 from what the client offers; a client that offers only others is refused,
// as RFC 7301, section 3.2 has it.
static int shim_select_http1(
    SSL *session, const unsigned char **chosen, unsigned char *length, const unsigned char *offered,
    unsigned int offered_length, void *unused) {
  static const unsigned char spoken[] = "\x08http/1.1\x08http/1.0";
  (void)session, (void)unused;
  int outcome = SSL_select_next_proto(
      (unsigned char **)chosen, length, spoken, sizeof spoken - 1, offered, offered_length);
  return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static inline void shim_SSL_CTX_select_http1(SSL_CTX *context) {
  SSL_CTX_set_alpn_select_cb(context, shim_select_http1, NULL);
}

// Instead of asking on the terminal, notes in `asked` that a password is wanted.
static int shim_refuse_password(char *buffer, int size, int writing, void *asked) {
  (void)buffer, (void)size, (void)writing;
  *(int *)asked = 1;
  return -1;
}

// The first private key of a PEM file, or NULL; `asked` becomes 1 if it is encrypted.
static inline EVP_PKEY *shim_read_unencrypted_key(BIO *file, int *asked) {
  return PEM_read_bio_PrivateKey(file, NULL, shim_refuse_password, asked);
}
