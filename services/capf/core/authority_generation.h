// An authority's keys, one after the other: each with its certificate is a
// generation, and a rotation leads from one to the next.

#ifndef SALLYPORT_SERVICES_CAPF_CORE_AUTHORITY_GENERATION_H_
#define SALLYPORT_SERVICES_CAPF_CORE_AUTHORITY_GENERATION_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"

namespace sallyport::capf {

// In the store as these numbers; never renumber. The store refuses what one
// that is not in the first two has signed.
enum class AuthorityState {
  kPrepared = 1,  // signs nothing yet but what a rotation needs
  kIssuing = 2,
  kRetiring = 3,  // signs revocation lists; what it issued stays good
  kRetired = 4,   // nobody trusts it any more; its private key is gone
};

// "PREPARED" and so on; stable.
std::string_view AuthorityStateName(AuthorityState state);

// A value. Thread-compatible.
struct AuthorityGeneration {
  std::string authority;   // its id: "default"
  int64_t generation = 1;  // rises
  // Whose phones and servers it certifies; empty: those of every tenant that
  // has none of its own.
  std::string tenant;
  // Phones of these models get their LSCs by it; sorted.
  std::vector<std::string> models;
  AuthorityState state = AuthorityState::kIssuing;
  std::string common_name;  // of its certificate
  std::string organization;
  int rsa_bits = 0;  // zero: P-256
  // Where the private key is: encrypted PKCS #8, or the label of a pair in the
  // token, or, with neither, where the configuration file says.
  std::string key_pem;
  std::string token_label;
  std::string chain_pem;    // its certificate first; empty: not certified yet
  std::string request_der;  // PKCS #10, if another is to certify it
  // The certificate of the CAPF port that came with it (DER), and whether
  // trust lists name it beside the one that is shown.
  std::string listener_der;
  bool listed = false;
  absl::Time create_time = absl::UnixEpoch();
  int64_t version = 0;  // rises with every write; 0: not stored
  // The authority issues nothing any more; the same in all of its keys.
  bool disabled = false;
  // Another authority is asked to certify it, by EST under this path
  // ("/.well-known/est/label"), and again in time; the same in all of its keys.
  // Empty: none is, or, of the first one, whom the configuration file says.
  std::string est_path = {};

  bool operator==(const AuthorityGeneration&) const = default;

  // "default/2": as certificates name it by which they were signed.
  std::string Name() const;
  // Whether it certifies, or has certified, and is trusted.
  bool trusted() const {
    return state != AuthorityState::kRetired && !chain_pem.empty();
  }
};

// The one in `state` of that authority, the newest if there are several; null
// if there is none.
const AuthorityGeneration* FindGeneration(
    absl::Span<const AuthorityGeneration> all, std::string_view authority,
    AuthorityState state);

// What decides by which authority a certificate is.
struct AuthorityChoice {
  std::string tenant;
  std::string model;  // of a phone, if it is known
  // A phone that speaks version 2 of CAPF, which knows no elliptic keys.
  bool rsa_only = false;
  // The id of the one that it is to be by; empty: as follows from the rest.
  std::string named = {};
};

// The id of the authority for it, of those that issue; empty if there is none.
// A tenant's own come before those of everybody, and where it has one, no other
// certifies for it. Then the one that names the phone's model; else, of those
// that name none, for a phone without elliptic keys one whose key is RSA if
// there is one, and otherwise `default_id`, or the first by name. One that is
// named is taken if it is among those that come into question. One that is
// disabled is never taken, and no other tenant's or everybody's in its place.
std::string ChooseAuthority(absl::Span<const AuthorityGeneration> all,
                            const AuthorityChoice& choice,
                            std::string_view default_id);

// The common name of the next one: "Sallyport CAPF G2" after "Sallyport CAPF",
// which fits where the first one does.
std::string NameOfGeneration(std::string_view first, int64_t generation);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_CORE_AUTHORITY_GENERATION_H_
