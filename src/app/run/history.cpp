// history.cpp: a history as JSON: a row of numbers for each epoch.
#include "app/run/history.h"

#include <cmath>
#include <variant>

#include "base/json.h"

std::string to_json(const History& history) {
    Json rows = Json::array();
    for (const EpochRow& r : history)
        rows.add(Json::array({r.epoch, r.loss, r.accuracy, r.images_per_second, r.seconds}));
    return rows.dump();
}

History history_from(const std::string& json) {
    try {
        History history;
        const Json rows = Json::parse(json);
        for (const Json& row : rows.items()) {
            const Json::Array& field = row.items();
            const Json& accuracy = field.at(2);  // NaN is written as null
            history.push_back({static_cast<int>(field.at(0).whole()), field.at(1).number(),
                               accuracy.is_null() ? std::nan("") : accuracy.number(),
                               field.at(3).number(), field.at(4).number()});
        }
        return history;
    } catch (const JsonError&) {
    } catch (const std::bad_variant_access&) {
    } catch (const std::out_of_range&) {
    }
    return {};
}
