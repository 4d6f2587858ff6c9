// Resources as octets of the API, without taking apart what is stored.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_RESOURCE_WIRE_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_RESOURCE_WIRE_H_

#include <string>

#include "services/dialplan/core/plan.h"

namespace sallyport::dialplan {

// Appends field `field` of a message, holding the resource as ResourceOf()
// would give it, or ResourceWithSecrets(). The record's body is copied as it
// is, with etag, times and hash behind it (fields may come in any order), so
// that a plan of a region is written in the time that copying it takes. Pure.
void AppendResource(int field, const PlanRecord& record, bool with_secrets,
                    std::string& out);

// Appends a field that holds octets: a string or a message.
void AppendBytes(int field, std::string_view bytes, std::string& out);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_RESOURCE_WIRE_H_
