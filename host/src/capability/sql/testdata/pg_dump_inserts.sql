--
-- PostgreSQL database dump
--

\restrict 3ikbqiEsvsafZQu2R0LaN27APEHhXPP3ZQU2q1qdltFCsiJrUOJDsLE4GITyrVl

-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

DROP DATABASE IF EXISTS fx;
--
-- Name: fx; Type: DATABASE; Schema: -; Owner: postgres
--

CREATE DATABASE fx WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C.UTF-8';


ALTER DATABASE fx OWNER TO postgres;

\unrestrict 3ikbqiEsvsafZQu2R0LaN27APEHhXPP3ZQU2q1qdltFCsiJrUOJDsLE4GITyrVl
\connect fx
\restrict 3ikbqiEsvsafZQu2R0LaN27APEHhXPP3ZQU2q1qdltFCsiJrUOJDsLE4GITyrVl

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: audit; Type: SCHEMA; Schema: -; Owner: app
--

CREATE SCHEMA audit;


ALTER SCHEMA audit OWNER TO app;

--
-- Name: pg_trgm; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;


--
-- Name: EXTENSION pg_trgm; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION pg_trgm IS 'trigrams';


--
-- Name: mood; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.mood AS ENUM (
    'sad',
    'ok; not bad'
);


ALTER TYPE public.mood OWNER TO postgres;

--
-- Name: add2(integer, integer); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.add2(a integer, b integer) RETURNS integer
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN (a > 0) THEN (a + b)
             ELSE b
         END AS b;
 SELECT (a + b);
END;


ALTER FUNCTION public.add2(a integer, b integer) OWNER TO postgres;

--
-- Name: touch(); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.touch() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ begin new.note := new.note || ';'; return new; end; $$;


ALTER FUNCTION public.touch() OWNER TO postgres;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: log; Type: TABLE; Schema: audit; Owner: app
--

CREATE TABLE audit.log (
    a integer,
    b text
);


ALTER TABLE audit.log OWNER TO app;

--
-- Name: empty; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.empty (
    a integer
);


ALTER TABLE public.empty OWNER TO postgres;

--
-- Name: orders; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.orders (
    id integer NOT NULL,
    note text DEFAULT 'a;b'::text,
    m public.mood,
    body bytea,
    at timestamp with time zone DEFAULT now()
);


ALTER TABLE public.orders OWNER TO postgres;

--
-- Name: orders_id_seq; Type: SEQUENCE; Schema: public; Owner: postgres
--

ALTER TABLE public.orders ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.orders_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: v; Type: VIEW; Schema: public; Owner: postgres
--

CREATE VIEW public.v AS
 SELECT orders.id,
    orders.note
   FROM public.orders
  WHERE (orders.note <> 'x;y'::text);


ALTER TABLE public.v OWNER TO postgres;

--
-- Name: 16505; Type: BLOB; Schema: -; Owner: postgres
--

SELECT pg_catalog.lo_create('16505');


ALTER LARGE OBJECT 16505 OWNER TO postgres;

--
-- Data for Name: log; Type: TABLE DATA; Schema: audit; Owner: app
--



--
-- Data for Name: empty; Type: TABLE DATA; Schema: public; Owner: postgres
--



--
-- Data for Name: orders; Type: TABLE DATA; Schema: public; Owner: postgres
--

INSERT INTO public.orders OVERRIDING SYSTEM VALUE VALUES (1, 'it''s', 'sad', '\x00ff', '2026-11-23 23:29:34.462788+00');
INSERT INTO public.orders OVERRIDING SYSTEM VALUE VALUES (2, 'tab	nl
back\slash', 'ok; not bad', NULL, '2026-11-23 23:29:34.462788+00');
INSERT INTO public.orders OVERRIDING SYSTEM VALUE VALUES (3, '\.', NULL, '\x', '2026-11-23 23:29:34.462788+00');
INSERT INTO public.orders OVERRIDING SYSTEM VALUE VALUES (4, NULL, NULL, NULL, '2026-11-23 23:29:34.462788+00');


--
-- Name: orders_id_seq; Type: SEQUENCE SET; Schema: public; Owner: postgres
--

SELECT pg_catalog.setval('public.orders_id_seq', 4, true);


--
-- Data for Name: BLOBS; Type: BLOBS; Schema: -; Owner: -
--

BEGIN;

SELECT pg_catalog.lo_open('16505', 131072);
SELECT pg_catalog.lowrite(0, '\x6c61726765');
SELECT pg_catalog.lo_close(0);

COMMIT;

--
-- Name: orders orders_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);


--
-- Name: i; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX i ON public.orders USING gin (note public.gin_trgm_ops);


--
-- Name: log r; Type: RULE; Schema: audit; Owner: app
--

CREATE RULE r AS
    ON DELETE TO audit.log DO ( INSERT INTO public.empty (a)
  VALUES (1);
 INSERT INTO public.empty (a)
  VALUES (2);
);


--
-- Name: orders t; Type: TRIGGER; Schema: public; Owner: postgres
--

CREATE TRIGGER t BEFORE INSERT ON public.orders FOR EACH ROW EXECUTE FUNCTION public.touch();


--
-- Name: TABLE orders; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.orders TO app;


--
-- Name: DEFAULT PRIVILEGES FOR TABLES; Type: DEFAULT ACL; Schema: -; Owner: postgres
--

ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT SELECT ON TABLES  TO app;


--
-- PostgreSQL database dump complete
--

\unrestrict 3ikbqiEsvsafZQu2R0LaN27APEHhXPP3ZQU2q1qdltFCsiJrUOJDsLE4GITyrVl

