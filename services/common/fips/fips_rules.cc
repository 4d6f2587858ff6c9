#include "services/common/fips/fips_rules.h"

namespace sallyport {
namespace {

constexpr std::string_view kTls =
    "TLS other than 1.2 by AES-GCM with ECDHE over P-256 or P-384: of TLS "
    "1.3's ciphers the library lets nobody choose";
constexpr std::string_view kGrpc =
    "gRPC between services and with operators is TLS of the system's OpenSSL";
constexpr std::string_view kPostgres =
    "connections to PostgreSQL are TLS of the system's OpenSSL";

constexpr std::string_view kCapfRefuses[] = {
    "trust lists and phone files signed with SHA-1",
    "RSA keys below 2048 bits, in requests, from phones and in orders",
    "certificates signed with SHA-1 or MD5, in requests",
    "TLS below 1.2 on the CAPF port (allow_legacy_tls)",
    "weak keys of phones (allow_weak_keys)",
    "operations by null string",
    "proofs by existing certificate that carry no SHA-512 signature",
    kTls,
};
constexpr std::string_view kCapfLeaves[] = {
    kGrpc, kPostgres, "keys in a PKCS#11 token are the token's to answer for",
    "MD5 and SHA-1 sums of published files are shown, to be compared by people "
    "with what phones show; nothing trusts them"};

constexpr std::string_view kIssuerRefuses[] = {
    "nothing: credentials are HMAC-SHA-256, keys at rest AES-256-GCM"};
constexpr std::string_view kIssuerLeaves[] = {kGrpc, kPostgres};

constexpr std::string_view kDialplanRefuses[] = {
    "users whose digest algorithm is MD5, when they are made or changed",
    kTls,
};
constexpr std::string_view kDialplanLeaves[] = {
    kGrpc, kPostgres,
    "an MD5 hash of each new password is kept beside that of SHA-256, for "
    "users "
    "whose algorithm is changed outside the mode; in the mode nobody uses it"};

constexpr std::string_view kRelayRefuses[] = {
    "TURN credentials whose key is made with MD5: clients must take SHA-256 "
    "(RFC 8489)",
    "the dialect of A/V Edge clients (MS-TURN), whose keys are made with MD5",
    "fingerprints of DTLS certificates below SHA-256",
    kTls,
    "DTLS other than 1.2 by AES-GCM with ECDHE over P-256 or P-384",
};
constexpr std::string_view kRelayLeaves[] = {
    kGrpc,
    "SRTP is libsrtp on BoringSSL's AES and HMAC-SHA-1; HMAC-SHA-1 is also "
    "what STUN's MESSAGE-INTEGRITY is",
    "sums of STUN's FINGERPRINT (CRC-32) protect nothing"};

constexpr std::string_view kEdgeRefuses[] = {
    "users whose digest algorithm is MD5, however they come",
    kTls,
};
constexpr std::string_view kEdgeLeaves[] = {
    kGrpc,
    "SIP and the registry in clear stay as dial plans and "
    "configuration allow them"};

constexpr FipsRules kRules[] = {
    {"capf", kCapfRefuses, kCapfLeaves},
    {"credential_issuer", kIssuerRefuses, kIssuerLeaves},
    {"dialplan", kDialplanRefuses, kDialplanLeaves},
    {"media_relay", kRelayRefuses, kRelayLeaves},
    {"signaling_edge", kEdgeRefuses, kEdgeLeaves},
};

}  // namespace

absl::Span<const FipsRules> AllFipsRules() { return kRules; }

std::string_view FipsDisclaimer() {
  return "This build holds BoringSSL as Debian packages its source, which is "
         "not the validated module: it runs the module's self tests and keeps "
         "to approved functions, but is not FIPS 140-2 or 140-3 validated, "
         "and nobody may claim that it is. gRPC between services uses the "
         "system's OpenSSL, outside of this mode.";
}

}  // namespace sallyport
