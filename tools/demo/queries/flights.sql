-- name: dashboard: delay by carrier
SELECT carrier,
       count(*) AS flights,
       round(avg(TRY_CAST(dep_delay AS INTEGER)), 2) AS dep_delay,
       round(avg(TRY_CAST(arr_delay AS INTEGER)), 2) AS arr_delay
FROM flights
GROUP BY carrier
ORDER BY arr_delay DESC, carrier;

-- name: dashboard: delay by origin and month
SELECT origin,
       CAST(month AS INTEGER) AS month_of_year,
       round(avg(TRY_CAST(dep_delay AS INTEGER)), 2) AS dep_delay,
       sum(TRY_CAST(air_time AS INTEGER)) AS minutes_flown
FROM flights
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: dashboard: flights and delay a day
SELECT date_trunc('day', time_hour::TIMESTAMP) AS departure_day,
       count(*) AS flights,
       round(avg(TRY_CAST(arr_delay AS INTEGER)), 2) AS arr_delay
FROM flights
GROUP BY 1
ORDER BY 1;

-- name: dashboard: cancelled share by month
SELECT CAST(month AS INTEGER) AS month_of_year,
       count(*) AS planned,
       count(*) FILTER (TRY_CAST(dep_time AS INTEGER) IS NULL) AS cancelled,
       round(100.0 * count(*) FILTER (TRY_CAST(dep_time AS INTEGER) IS NULL) / count(*), 2) AS percent
FROM flights
GROUP BY 1
ORDER BY 1;

-- name: live: the last week by hour
SELECT time_hour::TIMESTAMP AS departure_hour,
       count(*) AS flights,
       max(TRY_CAST(dep_delay AS INTEGER)) AS worst_dep_delay
FROM flights
WHERE time_hour::TIMESTAMP >= TIMESTAMP '2013-12-24' AND time_hour::TIMESTAMP < TIMESTAMP '2013-12-31'
GROUP BY 1
ORDER BY 1;

-- name: live: the last month by carrier
SELECT carrier,
       count(*) AS flights,
       count(*) FILTER (TRY_CAST(arr_delay AS INTEGER) > 15) AS late,
       round(avg(TRY_CAST(arr_delay AS INTEGER)), 2) AS arr_delay
FROM flights
WHERE time_hour::TIMESTAMP >= TIMESTAMP '2013-12-01'
GROUP BY carrier
ORDER BY carrier;

-- name: live: yesterday
SELECT origin,
       count(*) AS flights,
       count(*) FILTER (TRY_CAST(dep_time AS INTEGER) IS NULL) AS cancelled,
       max(TRY_CAST(dep_delay AS INTEGER)) AS worst_dep_delay
FROM flights
WHERE CAST(time_hour AS TIMESTAMP) BETWEEN TIMESTAMP '2013-12-30' AND TIMESTAMP '2013-12-30 23:59:59'
GROUP BY origin
ORDER BY origin;

-- name: live: punctuality of the quarter
SELECT count(*) FILTER (TRY_CAST(arr_delay AS INTEGER) <= 0) AS on_time,
       count(*) FILTER (TRY_CAST(arr_delay AS INTEGER) BETWEEN 1 AND 15) AS nearly,
       count(*) FILTER (TRY_CAST(arr_delay AS INTEGER) BETWEEN 16 AND 60) AS late,
       count(*) FILTER (TRY_CAST(arr_delay AS INTEGER) > 60) AS very_late
FROM flights
WHERE time_hour::TIMESTAMP >= TIMESTAMP '2013-10-01';

-- name: live: miles and speed of the quarter
SELECT sum(CAST(distance AS BIGINT)) AS miles,
       sum(TRY_CAST(air_time AS BIGINT)) AS minutes,
       round(avg(CAST(distance AS DOUBLE) / (TRY_CAST(air_time AS DOUBLE) / 60)), 2) AS miles_per_hour
FROM flights
WHERE time_hour::TIMESTAMP >= TIMESTAMP '2013-10-01';

-- name: live: weather of the last week
SELECT origin,
       date_trunc('day', TRY_CAST(time_hour AS TIMESTAMP)) AS weather_day,
       round(avg(TRY_CAST(temp AS DOUBLE)), 1) AS temperature,
       round(max(TRY_CAST(wind_speed AS DOUBLE)), 1) AS wind
FROM weather
WHERE TRY_CAST(time_hour AS TIMESTAMP) >= TIMESTAMP '2013-12-24'
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: dashboard: American at Kennedy
SELECT count(*) AS flights
FROM flights
WHERE carrier = 'AA' AND origin = 'JFK';

-- name: report: delay by hour of day
SELECT CAST(hour AS INTEGER) AS hour_of_day,
       count(*) AS flights,
       round(avg(TRY_CAST(dep_delay AS INTEGER)), 2) AS dep_delay,
       round(avg(TRY_CAST(arr_delay AS INTEGER)), 2) AS arr_delay
FROM flights
GROUP BY 1
ORDER BY 1;

-- name: report: minutes made up in the air
SELECT round(avg(TRY_CAST(dep_delay AS INTEGER) - TRY_CAST(arr_delay AS INTEGER)), 3) AS made_up,
       count(*) FILTER (TRY_CAST(arr_delay AS INTEGER) < TRY_CAST(dep_delay AS INTEGER)) AS faster
FROM flights
WHERE TRY_CAST(dep_delay AS INTEGER) > 15;

-- name: report: worst routes
SELECT origin, dest,
       count(*) AS flights,
       round(avg(TRY_CAST(arr_delay AS INTEGER)), 2) AS arr_delay
FROM flights
GROUP BY origin, dest
HAVING count(*) >= 100
ORDER BY arr_delay DESC, origin, dest
LIMIT 20;

-- name: report: carriers by name
SELECT a.name,
       count(*) AS flights,
       round(avg(TRY_CAST(f.arr_delay AS DOUBLE)), 2) AS arr_delay,
       sum(CAST(f.distance AS BIGINT)) AS miles
FROM flights f
JOIN airlines a ON a.carrier = f.carrier
GROUP BY a.name
ORDER BY flights DESC, a.name;

-- name: report: top destinations
SELECT coalesce(p.name, f.dest) AS airport,
       count(*) AS flights,
       round(any_value(TRY_CAST(p.lat AS DOUBLE)), 4) AS lat,
       round(any_value(TRY_CAST(p.lon AS DOUBLE)), 4) AS lon
FROM flights f
LEFT JOIN airports p ON p.faa = f.dest
GROUP BY 1
ORDER BY flights DESC, airport
LIMIT 15;

-- name: report: age of plane and delay
SELECT least(2013 - TRY_CAST(p.year AS INTEGER), 25) AS age,
       count(*) AS flights,
       round(avg(TRY_CAST(f.dep_delay AS DOUBLE)), 2) AS dep_delay
FROM flights f
JOIN planes p ON p.tailnum = f.tailnum
WHERE TRY_CAST(p.year AS INTEGER) IS NOT NULL
GROUP BY age
ORDER BY age;

-- name: report: visibility and delay
SELECT floor(TRY_CAST(w.visib AS DOUBLE)) AS miles,
       count(*) AS flights,
       round(avg(TRY_CAST(f.dep_delay AS DOUBLE)), 2) AS dep_delay
FROM flights f
JOIN weather w ON w.origin = f.origin AND w.time_hour::TIMESTAMP = f.time_hour::TIMESTAMP
GROUP BY miles
ORDER BY miles;

-- name: report: wind and delay
SELECT CASE WHEN TRY_CAST(w.wind_speed AS DOUBLE) < 10 THEN 'calm'
            WHEN TRY_CAST(w.wind_speed AS DOUBLE) < 20 THEN 'breeze'
            ELSE 'wind' END AS wind,
       count(*) AS flights,
       round(avg(TRY_CAST(f.dep_delay AS DOUBLE)), 2) AS dep_delay
FROM flights f
JOIN weather w USING (origin, time_hour)
WHERE TRY_CAST(w.wind_speed AS DOUBLE) IS NOT NULL
GROUP BY wind
ORDER BY wind;

-- name: report: weather by month
SELECT substr(time_hour, 1, 7) AS year_month,
       count(*) AS hours,
       round(avg(TRY_CAST(temp AS DOUBLE)), 1) AS temperature,
       round(sum(TRY_CAST(precip AS DOUBLE)), 2) AS rain
FROM weather
GROUP BY 1
ORDER BY 1;

-- name: report: delay percentiles by carrier
SELECT carrier,
       quantile_disc(TRY_CAST(arr_delay AS INTEGER), 0.5) AS median,
       quantile_disc(TRY_CAST(arr_delay AS INTEGER), 0.95) AS p95
FROM flights
GROUP BY carrier
ORDER BY carrier;

-- name: report: busiest destination of each carrier
SELECT carrier, dest, flights
FROM (
    SELECT carrier, dest, count(*) AS flights,
           row_number() OVER (PARTITION BY carrier ORDER BY count(*) DESC, dest) AS place
    FROM flights
    GROUP BY carrier, dest
)
WHERE place = 1
ORDER BY flights DESC, carrier;

-- name: report: summer delays
SELECT origin,
       round(avg(TRY_CAST(dep_delay AS DOUBLE)), 2) AS dep_delay,
       count(*) AS flights
FROM flights
WHERE CAST(month AS INTEGER) BETWEEN 6 AND 8
GROUP BY origin
ORDER BY origin;

-- name: report: seats offered by maker
SELECT p.manufacturer,
       count(*) AS flights,
       sum(CAST(p.seats AS BIGINT)) AS seats
FROM flights f
JOIN planes p ON p.tailnum = f.tailnum
GROUP BY p.manufacturer
ORDER BY seats DESC, p.manufacturer
LIMIT 10;

-- name: report: July by carrier
SELECT carrier, count(*) AS flights, sum(TRY_CAST(air_time AS INTEGER)) AS minutes
FROM flights
WHERE strftime(time_hour::TIMESTAMP, '%Y-%m') = '2013-07'
GROUP BY carrier
ORDER BY carrier;

-- name: report: planes with a measured speed
SELECT manufacturer, count(*) AS planes
FROM planes
WHERE speed <> 'NA'
GROUP BY manufacturer
ORDER BY planes DESC, manufacturer;

-- name: adhoc: one day
SELECT carrier, flight::INTEGER AS flight, tailnum, origin, dest,
       TRY_CAST(dep_time AS INTEGER) AS dep_time,
       TRY_CAST(dep_delay AS INTEGER) AS dep_delay
FROM flights
WHERE CAST(year AS INTEGER) = 2013 AND CAST(month AS INTEGER) = 2 AND CAST(day AS INTEGER) = 9
ORDER BY carrier, flight, origin, dest, dep_time;

-- name: adhoc: one plane's history
SELECT time_hour::TIMESTAMP AS departure, carrier, origin, dest, TRY_CAST(arr_delay AS INTEGER) AS arr_delay
FROM flights
WHERE tailnum = 'N725MQ'
ORDER BY departure, origin, dest;

-- name: adhoc: one flight
SELECT make_date(CAST(year AS INTEGER), CAST(month AS INTEGER), CAST(day AS INTEGER)) AS flown,
       CAST(sched_dep_time AS INTEGER) AS planned,
       TRY_CAST(dep_time AS INTEGER) AS left_at,
       TRY_CAST(dep_delay AS INTEGER) AS dep_delay
FROM flights
WHERE carrier = 'UA' AND flight = '1545' AND origin = 'EWR'
ORDER BY flown, planned;

-- name: adhoc: the coldest hours
SELECT origin, time_hour, TRY_CAST(temp AS DOUBLE) AS temperature
FROM weather
WHERE TRY_CAST(temp AS DOUBLE) < 15
ORDER BY temperature, origin, time_hour
LIMIT 25;

-- name: adhoc: from Kennedy over the ocean
SELECT dest, count(*) AS flights, max(CAST(distance AS INTEGER)) AS miles
FROM flights
WHERE origin = 'JFK' AND CAST(distance AS INTEGER) > 2500
GROUP BY dest
ORDER BY miles DESC, dest;

-- name: adhoc: departures by scheduled hour and carrier
SELECT CAST(sched_dep_time AS INTEGER) // 100 AS hour_of_day, carrier, count(*) AS flights
FROM flights
WHERE carrier IN ('UA', 'DL', 'B6')
GROUP BY ALL
ORDER BY hour_of_day, carrier;
