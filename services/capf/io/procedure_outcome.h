// What came of looking at a procedure's step.

#ifndef SALLYPORT_SERVICES_CAPF_IO_PROCEDURE_OUTCOME_H_
#define SALLYPORT_SERVICES_CAPF_IO_PROCEDURE_OUTCOME_H_

#include <functional>
#include <string>
#include <vector>

#include "services/capf/io/enrollment_store.h"
#include "services/capf/io/trust_list_publisher.h"

namespace sallyport::capf {

// A value.
struct StepOutcome {
  // Why it waits; empty: it is taken, with what follows.
  std::string blocked;
  std::string detail;  // what was found
  // It was taken in part only, and is to be taken again.
  bool more = false;
  // Lists that go out with it, of one tenant each.
  std::vector<PreparedPublication> publications;
  StoreChange change;  // with it; also if it waits
  bool restart = false;
  std::function<void()> after;  // once all of it is stored; may be null
};

// Appends what `from` changes to `to`.
inline void MergeChange(StoreChange from, StoreChange& to) {
  const auto append = [](auto& source, auto& target) {
    for (auto& one : source) target.push_back(std::move(one));
  };
  append(from.insert_enrollments, to.insert_enrollments);
  append(from.update_enrollments, to.update_enrollments);
  append(from.delete_enrollments, to.delete_enrollments);
  append(from.insert_certificates, to.insert_certificates);
  append(from.update_certificates, to.update_certificates);
  append(from.insert_trusted, to.insert_trusted);
  append(from.delete_trusted, to.delete_trusted);
  append(from.insert_lists, to.insert_lists);
  append(from.put_phone_lists, to.put_phone_lists);
  append(from.insert_events, to.insert_events);
  append(from.put_progress, to.put_progress);
  append(from.put_peer_chains, to.put_peer_chains);
  append(from.put_fetched_lists, to.put_fetched_lists);
  append(from.put_clusters, to.put_clusters);
  append(from.insert_signers, to.insert_signers);
  append(from.update_signers, to.update_signers);
  append(from.put_procedures, to.put_procedures);
  append(from.put_authorities, to.put_authorities);
  append(from.put_consumers, to.put_consumers);
  if (from.set_fips_mode) to.set_fips_mode = from.set_fips_mode;
  append(from.audit, to.audit);
}

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_PROCEDURE_OUTCOME_H_
