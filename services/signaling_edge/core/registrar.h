// Which contacts each user has (RFC 3261 section 10.3), and by which flow each
// is reached: a contact registered over a connection is reached by that
// connection and by no other, and ends with it (RFC 5626 in spirit).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REGISTRAR_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REGISTRAR_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/time/deadline_queue.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/flow.h"

namespace sallyport::signaling_edge {

// One contact of one user.
struct Binding {
  uint64_t id = 0;      // stays while the contact is refreshed
  std::string user;     // tenants/{t}/users/{u}
  std::string contact;  // URI as registered
  Flow flow;
  std::string call_id;
  uint32_t cseq = 0;
  std::string instance;  // +sip.instance, if any
  std::string user_agent;
  std::string authentication;  // how it was proven, for the operator
  std::string phone;           // tenants/{t}/phones/{p}, by certificate
  MonoTime registered;
  MonoTime refreshed;
  MonoTime expires;
};

// In-memory bindings of one loop. Memory is bounded by the options; every
// operation costs O(contacts of that user + log of all). Thread-compatible.
class Registrar {
 public:
  struct Options {
    absl::Duration min_expires = absl::Seconds(60);
    absl::Duration max_expires = absl::Hours(1);
    absl::Duration default_expires = absl::Hours(1);
    size_t max_bindings = 100'000;
    size_t max_contacts = 8;  // of a user whose record does not say
  };

  struct Contact {
    std::string uri;
    std::optional<uint32_t> expires;  // seconds, of the contact or the request
    std::string instance;
  };

  // An authenticated REGISTER. No contact and not `all`: a question.
  struct Request {
    std::string user;
    bool all = false;  // Contact: *
    std::vector<Contact> contacts;
    Flow flow;
    std::string call_id;
    uint32_t cseq = 0;
    size_t max_contacts = 0;  // 0: as the options say
    std::string user_agent;
    std::string authentication;
    std::string phone;
  };

  struct Change {
    enum class Kind { kAdded, kRefreshed, kRemoved, kExpired, kFlowLost };
    Kind kind;
    Binding binding;
  };
  using Changes = std::vector<Change>;

  explicit Registrar(Options options) : options_(options) {}

  // All of it is done, or on an error none: EXPIRES_TOO_BRIEF (with
  // min_expires() to tell), CSEQ_OUT_OF_ORDER for an older request of the same
  // Call-ID, CONTACT_LIMIT for too many contacts of one user, and
  // REGISTRATION_LIMIT when there is no room at all.
  absl::StatusOr<Changes> OnRegister(const Request& request, MonoTime now);

  // The connection is gone, and with it every contact that it carried.
  Changes OnConnectionClosed(ConnectionId connection);

  // An operator, or a user that was removed or disabled.
  Changes Remove(uint64_t id);
  Changes RemoveUser(std::string_view user);

  Changes OnDeadline(MonoTime now);
  MonoTime deadline() const { return deadlines_.next(); }

  // Contacts of a user, the latest refreshed first. Pointers live until the
  // next change.
  std::vector<const Binding*> Of(std::string_view user) const;
  std::vector<const Binding*> All() const;
  const Binding* Find(uint64_t id) const;
  size_t size() const { return bindings_.size(); }
  // Whether any contact is reached by it.
  bool Carries(ConnectionId connection) const {
    return by_connection_.contains(connection);
  }
  absl::Duration min_expires() const { return options_.min_expires; }

 private:
  struct Planned {
    const Contact* contact;
    Binding* existing;  // or nullptr
    absl::Duration expires;
  };

  Binding* FindContact(std::string_view user, const Contact& contact);
  absl::StatusOr<absl::Duration> ExpiresOf(const Contact& contact) const;
  void Erase(uint64_t id, Change::Kind kind, Changes& changes);

  const Options options_;
  uint64_t next_id_ = 1;
  absl::flat_hash_map<uint64_t, Binding> bindings_;
  absl::flat_hash_map<std::string, std::vector<uint64_t>> by_user_;
  absl::flat_hash_map<ConnectionId, absl::flat_hash_set<uint64_t>>
      by_connection_;
  DeadlineQueue<uint64_t> deadlines_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_REGISTRAR_H_
