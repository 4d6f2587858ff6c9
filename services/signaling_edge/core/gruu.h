// URIs that reach one device of a user from anywhere (RFC 5627): public ones,
// which say whose they are and of which device, and temporary ones, which say
// so to nobody but us.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_GRUU_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_GRUU_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "services/common/random/random_source.h"
#include "services/signaling_edge/core/binding.h"
#include "services/signaling_edge/core/dialog_token.h"
#include "services/signaling_edge/core/sip_uri.h"

namespace sallyport::signaling_edge {

// What stands in +sip.instance without its brackets, as a URI parameter.
std::string InstanceParam(std::string_view instance);

// "sip:alice@example.test;gr=urn:uuid:..." (RFC 5627 section 5.4). It stays the
// same as long as the user and the device do.
std::string PublicGruu(std::string_view username, std::string_view domain,
                       std::string_view instance);

// Which device of a user is meant. Immutable once made.
struct GruuDevice {
  using Mark = std::array<uint8_t, 8>;

  std::string urn;  // of a public one, as InstanceParam() writes it
  // Of a temporary one: of the instance, and of the Call-ID of its REGISTER.
  Mark instance = {};
  Mark registration = {};
  std::string username;  // who it is; empty for a public one

  bool temporary() const { return !username.empty(); }
};

// Makes and reads temporary ones (section 3.2): the user part holds user,
// instance and Call-ID under a key stream and a tag, so that nothing is kept
// for them, all edges with the keys read them, two of them cannot be told to
// be of one user, and a device that registers with another Call-ID, or not any
// more, takes all of its along. Thread-compatible.
class TemporaryGruus {
 public:
  // Both outlive this object. Null keys: none are made, and none is read.
  TemporaryGruus(const TokenKeys* keys, RandomSource& random)
      : keys_(keys), random_(random) {}

  // "sip:tgruu.…@domain;gr"; empty if there is none for this contact.
  std::string Make(std::string_view username, std::string_view domain,
                   const Binding& binding);

  // The device that the URI names; nullopt if it names none, or is a temporary
  // one that is not ours.
  std::optional<GruuDevice> Read(const SipUri& uri) const;

  // Whether the contact is of that device.
  bool IsOf(const GruuDevice& device, const Binding& binding) const;

 private:
  const TokenKeys* const keys_;
  RandomSource& random_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_GRUU_H_
